// Stack traces: a button that unfolds all frames. Notices: the arrow keys open the older and the newer notice. Mute: a
// field that is filled in selects its choice.
(() => {
  for (const button of document.querySelectorAll("[data-unfold]")) {
    const runs = [...button.closest("section").querySelectorAll("[data-frames]")];
    button.hidden = !runs.length;
    button.addEventListener("click", () => {
      const open = runs.some((run) => !run.open);
      for (const run of runs) run.open = open;
      button.textContent = open ? "Show in-app frames only" : "Show all frames";
    });
  }
  for (const choice of document.querySelectorAll(".mute-choice:has(.form-control)")) {
    choice.addEventListener("input", (event) => {
      if (event.target.matches(".form-control")) choice.querySelector("[type=radio]").checked = true;
    });
  }
  const directions = { ArrowLeft: "older", ArrowRight: "newer" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || !directions[event.key]) return;
    if (event.target.matches("input, select, textarea, [tabindex='0'], summary")) return;
    document.querySelector(`[data-key="${directions[event.key]}"]`)?.click();
  });
})();
