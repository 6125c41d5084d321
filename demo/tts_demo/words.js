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
