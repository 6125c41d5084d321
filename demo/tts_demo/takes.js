// What was spoken, kept in this browser (IndexedDB), so that a reload loses nothing.
const MOST_TAKES = 50;
const database = new Promise((resolve, reject) => {
  const opening = indexedDB.open("tts-demo", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("takes", { keyPath: "id" });
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});
database.catch(() => {}); // a browser that keeps nothing: `drawTakes` tells

// Runs `work` on the store and gives the result of the request that it returns.
const withTakes = async (mode, work) => {
  const store = (await database).transaction("takes", mode).objectStore("takes");
  const request = work(store);
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
};

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

const takeName = (take) =>
  `${take.text.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40)}-seed-${take.seed}.mp3`;

const drawTake = (take) => {
  const url = URL.createObjectURL(take.audio);
  const short = take.text.length > 60 ? `${take.text.slice(0, 59)}…` : take.text;
  const audio = element("audio", { controls: true, preload: "metadata", src: url });
  audio.setAttribute("aria-label", `Take: ${short}`);
  const use = element("button", { type: "button", textContent: "Use again" });
  use.setAttribute("aria-label", `Use text, seed, model and voice again: ${short}`);
  use.onclick = () => {
    window.ttsTake = [take.text, take.seed, take.model, take.voice];
    document.querySelector("#again").click();
    document.querySelector("#text textarea").focus();
  };
  const remove = element("button", { type: "button", textContent: "Delete" });
  remove.setAttribute("aria-label", `Delete the take: ${short}`);
  remove.onclick = async () => {
    await withTakes("readwrite", (store) => store.delete(take.id));
    drawTakes();
  };
  const about = `${take.voice}, ${take.model}, seed ${take.seed}${take.note ? ` (${take.note})` : ""}, ` +
    `${take.seconds.toFixed(1)} s`;
  return element("li", {},
    element("p", { textContent: take.text }),
    element("p", { className: "about", textContent: about }),
    audio,
    element("p", { className: "links" },
      element("a", { href: url, download: takeName(take), textContent: "Download" }), use, remove));
};

const drawTakes = async () => {
  const box = document.querySelector("#takes .takes");
  if (!box) return;
  let takes;
  try {
    takes = (await withTakes("readonly", (store) => store.getAll())).reverse();
  } catch {
    box.replaceChildren(element("li", { textContent: "This browser keeps no takes." }));
    return;
  }
  for (const old of box.querySelectorAll("audio")) URL.revokeObjectURL(old.src);
  box.replaceChildren(...takes.map(drawTake));
  const hint = document.querySelector("#takes .hint");
  if (hint) hint.hidden = takes.length > 0;
};

const keepTake = async (take, audio) => {
  await withTakes("readwrite", (store) => store.put({ ...take, audio }));
  const ids = await withTakes("readonly", (store) => store.getAllKeys());
  for (const id of ids.slice(0, Math.max(0, ids.length - MOST_TAKES)))
    await withTakes("readwrite", (store) => store.delete(id));
  await drawTakes();
};
