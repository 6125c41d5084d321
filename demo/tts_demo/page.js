// Follows what Gradio changes on the page.
let scheduled = false;
const look = () => {
  scheduled = false;
  watchStatus();
  const takes = document.querySelector("#takes .takes");
  if (takes && !takes.dataset.drawn) {
    takes.dataset.drawn = "1";
    drawTakes();
  }
};
new MutationObserver(() => {
  if (!scheduled) { scheduled = true; setTimeout(look, 0); }
}).observe(document.body, { childList: true, subtree: true });
look();

// On a phone the result lies below all fields.
document.addEventListener("click", (event) => {
  const wanted = event.target.closest?.("button.to-result");
  const result = wanted && document.querySelector(`#${wanted.id.replace("go-", "result-")}`);
  if (result && result.getBoundingClientRect().top > innerHeight * 0.6) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    result.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
  }
});
