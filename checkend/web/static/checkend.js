// What makes pages nicer where there is JavaScript; every page works without.
(() => {
  // One menu open at a time; Escape or a click elsewhere closes it.
  const menus = () => document.querySelectorAll("details[data-menu][open]");
  document.addEventListener("click", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // Copy buttons: [data-copy] holds the text, or [data-copy-from] the id of the element that does.
  const textOf = (button) => button.dataset.copy ?? document.getElementById(button.dataset.copyFrom)?.textContent ?? "";
  async function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea"); // plain HTTP has no clipboard API
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const label = button.querySelector("[data-copy-label]");
      const before = label?.textContent;
      try {
        await copy(textOf(button));
        if (label) label.textContent = "Copied";
      } catch {
        if (label) label.textContent = "Not allowed";
      }
      setTimeout(() => { if (label) label.textContent = before; }, 1500);
    });
  }

  // A form is sent once, however often its button is pressed, until loading the next page fails or is stopped. Only
  // some browsers report that (navigateerror); in the others the form can be sent again after a while.
  const RESEND_MILLISECONDS = 10_000; // the server answers, if only with 503, within 10 s
  let timer;
  const release = () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.getAttribute("method") !== "post") return; // a dialog's or a search form
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    clearTimeout(timer);
    timer = setTimeout(release, RESEND_MILLISECONDS);
  });
  addEventListener("pageshow", release); // back from the next page
  window.navigation?.addEventListener("navigateerror", release);
})();
