// The player of the first tab: it plays a sound while it is made and keeps it when it is done.
const MP3 = "audio/mpeg";
const player = { url: "", saved: "", unfinished: false, stop: () => {}, blob: null };

const playerParts = () => {
  const box = document.querySelector("#player");
  return { box, audio: box?.querySelector("audio"), mp3: box?.querySelector(".mp3"),
           wav: box?.querySelector(".wav") };
};

// Gives an audio element pieces as they come; where the browser cannot, it loads them itself.
const feed = (audio, url) => {
  if (!window.MediaSource?.isTypeSupported(MP3)) {
    audio.src = url;
    return { add: () => {}, end: () => {} };
  }
  const source = new MediaSource();
  audio.src = URL.createObjectURL(source);
  const waiting = [];
  let buffer = null, ended = false;
  const next = () => {
    if (!buffer || buffer.updating || source.readyState !== "open") return;
    if (waiting.length) {
      try { buffer.appendBuffer(waiting[0]); waiting.shift(); } catch { /* full: what is heard */ }
    } else if (ended) source.endOfStream();
  };
  source.addEventListener("sourceopen", () => {
    URL.revokeObjectURL(audio.src);
    buffer = source.addSourceBuffer(MP3);
    buffer.addEventListener("updateend", next);
    next();
  });
  audio.addEventListener("timeupdate", next);
  return {
    add: (bytes) => { waiting.push(bytes); next(); },
    end: () => { ended = true; next(); },
  };
};

const link = (anchor, blob, name) => {
  if (anchor.dataset.blob) URL.revokeObjectURL(anchor.href);
  anchor.href = URL.createObjectURL(blob);
  anchor.dataset.blob = "1";
  anchor.download = name;
  anchor.hidden = false;
};

const clearPlayer = () => {
  const { audio, mp3, wav } = playerParts();
  player.stop();
  audio?.pause();
  audio?.removeAttribute("src");
  audio?.load();
  for (const anchor of [mp3, wav]) if (anchor) anchor.hidden = true;
};

// Plays what lies at an address from its beginning on; the bytes are a promise in player.blob.
const playSound = (url) => {
  clearPlayer();
  const { audio } = playerParts();
  const abort = new AbortController();
  Object.assign(player, { url, unfinished: true });
  player.stop = () => abort.abort();
  const sink = feed(audio, url);
  player.blob = (async () => {
    const reply = await fetch(url, { signal: abort.signal });
    if (!reply.ok) throw new Error(`${reply.status}`);
    const reader = reply.body.getReader(), pieces = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      sink.add(value);
    }
    sink.end();
    return new Blob(pieces, { type: MP3 });
  })();
  player.blob.catch(() => {});
  audio.play().catch(() => {}); // a browser that wants a click first
};

// A whole utterance is there: it can be downloaded, and is kept.
const finishSound = async (status) => {
  const { sound, wav: url, take: told } = status.dataset;
  const take = JSON.parse(told);
  if (player.saved === take.id) return;
  Object.assign(player, { saved: take.id, unfinished: false });
  const blob = await player.blob;
  const { audio, mp3, wav } = playerParts();
  const name = takeName(take);
  if (player.url === sound) {
    link(mp3, blob, name);
    const whole = await fetch(url);
    if (whole.ok && player.url === sound) link(wav, await whole.blob(), name.replace("mp3", "wav"));
  }
  await keepTake(take, blob);
};

const watchStatus = () => {
  const status = document.querySelector("#status .status");
  if (!status) return;
  const { sound, take } = status.dataset;
  if (sound && sound !== player.url && playerParts().audio) playSound(sound);
  if (sound && take) finishSound(status).catch(() => { player.saved = ""; });
  if (!sound && player.unfinished && !status.classList.contains("busy")) {
    // Stopped, or an error: nothing half said goes on.
    Object.assign(player, { url: "", unfinished: false });
    clearPlayer();
  }
};
