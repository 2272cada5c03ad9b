// Backtraces: all frames at once. Notices: the arrow keys lead to the older and the newer one.
(() => {
  for (const button of document.querySelectorAll("[data-unfold]")) {
    const runs = [...button.closest("section").querySelectorAll("[data-frames]")];
    button.hidden = !runs.length;
    button.addEventListener("click", () => {
      const open = runs.some((run) => !run.open);
      for (const run of runs) run.open = open;
      button.textContent = open ? "Show own frames only" : "Show all frames";
    });
  }
  const ways = { ArrowLeft: "older", ArrowRight: "newer" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || !ways[event.key]) return;
    if (event.target.matches("input, select, textarea, [tabindex='0'], summary")) return;
    document.querySelector(`[data-key="${ways[event.key]}"]`)?.click();
  });
})();
