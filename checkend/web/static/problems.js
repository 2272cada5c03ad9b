// The problems list: selecting, keyboard shortcuts, filters that apply at once. All of it works without, by forms.
(() => {
  const bulk = document.querySelector("[data-bulk]");
  const rows = [...document.querySelectorAll("[data-problem]")];
  const search = document.querySelector("[data-search]");
  const help = document.querySelector("[data-shortcuts-help]");
  const boxOf = (row) => row.querySelector("input[name=id]");
  const boxes = rows.map(boxOf).filter(Boolean);
  const number = (count) => count.toLocaleString("en");
  let current = -1;

  for (const field of document.querySelectorAll("[data-submit]")) {
    field.addEventListener("change", () => field.form.requestSubmit());
  }
  // An empty field says nothing: leave it out of the address.
  document.querySelector(".filter").addEventListener("submit", (event) => {
    for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
  });
  addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll(".filter :disabled")) field.disabled = false;
    show();
  });

  // What is selected
  const everything = bulk?.querySelector("[data-scope]");
  const here = bulk?.querySelector("[data-all-here]");
  const said = bulk?.querySelector("[data-count]");
  const before = said?.textContent;
  function show() {
    if (!here) return;
    const count = boxes.filter((box) => box.checked).length;
    const all = everything?.checked;
    bulk.classList.toggle("active", Boolean(count || all));
    here.checked = count > 0 && count === boxes.length;
    here.indeterminate = count > 0 && count < boxes.length;
    said.textContent = all ? `All ${number(+bulk.dataset.total)} selected` : count ? `${number(count)} selected` : before;
  }
  if (here) {
    bulk.querySelector("[data-page]").hidden = false;
    here.addEventListener("change", () => {
      for (const box of boxes) box.checked = here.checked;
      if (everything && !here.checked) everything.checked = false;
      show();
    });
    everything?.addEventListener("change", () => {
      for (const box of boxes) box.checked = everything.checked;
      show();
    });
    for (const box of boxes) {
      box.addEventListener("change", () => {
        if (everything && !box.checked) everything.checked = false;
        show();
      });
    }
    show();
  }

  // Enter in the tag field adds the tag. On a checkbox it does nothing: it must not press one of the buttons.
  bulk?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.localName !== "input") return;
    event.preventDefault();
    if (event.target.name === "tag") bulk.requestSubmit(bulk.querySelector("[name=action][value=tag]"));
  });

  // Keyboard
  function move(step) {
    if (!rows.length) return;
    rows[current]?.classList.remove("current");
    current = Math.min(Math.max(current + step, 0), rows.length - 1);
    rows[current].classList.add("current");
    rows[current].querySelector(".problem-link").focus({ preventScroll: true });
    rows[current].scrollIntoView({ block: "nearest" });
  }
  function select() {
    const box = rows[current] && boxOf(rows[current]);
    if (box) box.click();
  }
  function resolve() {
    const button = bulk?.querySelector("[data-resolve]");
    if (!button) return;
    const box = rows[current] && boxOf(rows[current]);
    if (!boxes.some((other) => other.checked) && box) box.checked = true;
    if (boxes.some((other) => other.checked)) bulk.requestSubmit(button);
  }
  const openHelp = () => help.showModal();
  const keys = { "/": () => search.focus(), j: () => move(1), k: () => move(-1), x: select, r: resolve, "?": openHelp };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const target = event.target;
    const writing = target.matches("input:not([type=checkbox]), select, textarea, [contenteditable]");
    if (event.key === "Escape" && writing) return target.blur();
    if (writing || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  for (const button of document.querySelectorAll("[data-shortcuts]")) {
    button.hidden = false;
    button.addEventListener("click", openHelp);
  }
  rows.forEach((row, index) => row.addEventListener("focusin", () => {
    rows[current]?.classList.remove("current");
    current = index;
    row.classList.add("current");
  }));
})();
