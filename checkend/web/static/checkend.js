// Enhancements of all pages; every page works without JavaScript.
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

  // Times: the exact one, on hover, in the time zone of the browser; the relative one stays current.
  const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });
  function relative(time) {
    const seconds = Math.trunc((Date.now() - time) / 1000);
    const [size, unit] = [[86_400, "day"], [3_600, "h"], [60, "min"]].find(([least]) => seconds >= least) ?? [0, ""];
    const amount = Math.floor(seconds / size);
    return size && amount < 30 ? `${amount} ${unit}${unit === "day" && amount > 1 ? "s" : ""} ago` : "";
  }
  const times = [...document.querySelectorAll("time[datetime]")];
  for (const element of times) element.title = `${exact.format(new Date(element.dateTime))} (${element.title})`;
  setInterval(() => {
    if (document.visibilityState !== "visible") return;
    for (const element of times) {
      const text = element.textContent.endsWith(" ago") || element.textContent === "just now";
      const current = text && relative(new Date(element.dateTime));
      if (current) element.textContent = current;
    }
  }, 30_000);

  // Copy buttons: [data-copy] is the text, or [data-copy-from] the id of the element that contains it.
  const textOf = (button) => button.dataset.copy ?? document.getElementById(button.dataset.copyFrom)?.textContent ?? "";
  async function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea"); // browsers offer the clipboard API only over HTTPS
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
      const original = label?.textContent;
      try {
        await copy(textOf(button));
        if (label) label.textContent = "Copied";
      } catch {
        if (label) label.textContent = "Copying failed";
      }
      setTimeout(() => { if (label) label.textContent = original; }, 1500);
    });
  }

  // Submit a form only once, however often its button is pressed, until loading the next page fails or is stopped.
  // Only some browsers report that (navigateerror); in others the form can be submitted again after a delay.
  const RESUBMIT_MILLISECONDS = 10_000; // the server responds within 10 s, if only with 503
  let timer;
  const release = () => {
    for (const form of document.querySelectorAll("form[data-submitted]")) delete form.dataset.submitted;
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.getAttribute("method") !== "post") return; // a dialog's or a search form
    if (form.dataset.submitted) return event.preventDefault();
    form.dataset.submitted = "yes";
    clearTimeout(timer);
    timer = setTimeout(release, RESUBMIT_MILLISECONDS);
  });
  addEventListener("pageshow", release); // the user came back from the next page
  window.navigation?.addEventListener("navigateerror", release);
})();
