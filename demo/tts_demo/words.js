// Lights up the words of the utterance that plays and moves the line through its picture.
const boxes = () =>
  [...document.querySelectorAll(".speaking")].map((box) => ({
    players: [...box.querySelectorAll("audio")],
    speech: box.querySelector(".speech"),
  }));

const light = ({ speech }, time, playing) => {
  if (!speech) return;
  for (const word of speech.querySelectorAll(".word")) {
    const now = playing && time >= +word.dataset.start && time < +word.dataset.end;
    word.classList.toggle("now", now);
  }
  const picture = speech.querySelector(".picture");
  if (picture) {
    const head = picture.querySelector(".head");
    head.style.opacity = playing ? 1 : 0;
    head.style.left = `${(100 * time) / +picture.dataset.seconds}%`;
  }
};

let following = false;
const follow = () => {
  let any = false;
  for (const box of boxes()) {
    const player = box.players.find((p) => !p.paused && !p.ended);
    if (player) any = true;
    light(box, player ? player.currentTime : 0, Boolean(player));
  }
  following = any;
  if (any) requestAnimationFrame(follow);
};

document.addEventListener("play", (event) => {
  // One voice at a time.
  for (const other of document.querySelectorAll("audio"))
    if (other !== event.target && !other.paused) other.pause();
  if (!following) { following = true; requestAnimationFrame(follow); }
}, true);

// A word or a place in the picture is where to listen from.
document.addEventListener("click", (event) => {
  const target = event.target.closest?.(".speech .word, .speech .picture");
  const box = target?.closest(".speaking");
  const player = box && [...box.querySelectorAll("audio")].find((p) => p.currentSrc);
  if (!player) return;
  if (target.classList.contains("word")) player.currentTime = +target.dataset.start;
  else {
    const { left, width } = target.getBoundingClientRect();
    player.currentTime = (+target.dataset.seconds * (event.clientX - left)) / width;
  }
  player.play();
});

// A word of a recording that is edited is also marked in the field with the words that are wanted.
document.addEventListener("click", (event) => {
  const chip = event.target.closest?.(".chip");
  const field = chip && document.querySelector("#wanted textarea");
  if (!field) return;
  const plain = (word) => word.toLowerCase().replace(/[^\p{L}\p{M}\p{N}']/gu, "");
  const written = [...field.value.matchAll(/\S+/g)];
  const same = (match) => match && plain(match[0]) === plain(chip.textContent);
  const found = same(written[+chip.dataset.number])
    ? written[+chip.dataset.number] : written.find(same);
  if (!found) return;
  field.focus();
  field.setSelectionRange(found.index, found.index + found[0].length);
});
