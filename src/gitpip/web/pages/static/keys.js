// Keys of the pages, as in miniflux and on GitHub. An item of a list is an element with an id and
// data-item; its links are marked with data-open and data-github, its button with data-mark.
const OFF = "gitpip.keys-off";
const ITEM = "gitpip.item"; // in this tab: the item that was chosen last, and the path of its page
const RETURNS = "gitpip.returns"; // in this tab: the next page is the list that the reader came from
const SEQUENCE_ENDS = 1_500; // milliseconds after the first key of two
const dialog = document.getElementById("keys");
const menu = document.querySelector(".menu");
const isOn = document.getElementById("keys-on");
// The item that was chosen last, which may be gone, and the number of pages that were loaded below
// the list; also when somebody comes back to the page.
let current = history.state?.item ?? { id: "", index: -1, pages: 0 };
let prefixEnds = 0;

function items() {
  return [...document.querySelectorAll("[data-item]")];
}

function indexOfCurrent() {
  const all = items();
  const focused = document.activeElement?.closest("[data-item]");
  return all.indexOf(focused ?? document.getElementById(current.id));
}

function move(step) {
  const all = items();
  if (!all.length) return;
  const found = indexOfCurrent();
  // An item that is gone has left its place to the next one.
  const next = found >= 0 ? found + step : step > 0 ? Math.max(current.index, 0) : current.index - 1;
  const index = Math.min(Math.max(next, 0), all.length - 1);
  choose(all[index]);
}

function remember(item) {
  const pages = Number(item.closest("[data-pages]")?.dataset.pages ?? 0);
  current = { id: item.id, index: items().indexOf(item), pages };
  history.replaceState({ ...history.state, item: current }, "");
  sessionStorage.setItem(ITEM, JSON.stringify({ ...current, path: location.pathname }));
}

function choose(item) {
  remember(item);
  item.querySelector("[data-open]")?.focus({ preventScroll: true });
  item.scrollIntoView({ block: "nearest" });
}

// A reader who goes back from a gist to its list comes to the same item, or to the one in its place.
async function comeBack() {
  const last = JSON.parse(sessionStorage.getItem(ITEM));
  const isBack = sessionStorage.getItem(RETURNS) !== null;
  sessionStorage.removeItem(RETURNS);
  if (!isBack || last?.path !== location.pathname) return;
  const focused = document.activeElement;
  if (last.pages) await loadPages(last.pages); // of gist-list.js
  if (document.activeElement !== focused) return;
  const all = items();
  const item = document.getElementById(last.id) ?? all[Math.min(last.index, all.length - 1)];
  if (item) choose(item);
}

function goesBack() {
  sessionStorage.setItem(RETURNS, "1");
}

function press(selector) {
  (items()[indexOfCurrent()] ?? (items().length ? null : document))?.querySelector(selector)?.click();
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  o: () => press("[data-open]"),
  m: () => press("[data-mark]"),
  v: () => press("[data-github]"),
  u: () => document.querySelector("[data-back]")?.click(),
  "/": () => document.getElementById("find")?.select(),
  A: () => document.getElementById("mark-everything")?.click(),
  "?": () => dialog.showModal(),
};

function isWriting(element) {
  return element.isContentEditable || element.closest("input, select, textarea, dialog") !== null;
}

if (dialog) {
  isOn.checked = localStorage.getItem(OFF) === null;
  isOn.addEventListener("change", () => {
    if (isOn.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
  const button = document.getElementById("show-keys");
  button.hidden = false;
  button.addEventListener("click", () => {
    // Where the focus was when a dialog opened is where it goes back: not into a closed menu.
    menu.querySelector("summary").focus();
    menu.open = false;
    dialog.showModal();
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!isOn.checked || isWriting(event.target)) return;
    if (event.key === "A" && !event.shiftKey) return; // Caps Lock
    const isSecond = Date.now() < prefixEnds;
    prefixEnds = 0;
    const place = isSecond && document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (event.key === "g" && !isSecond) prefixEnds = Date.now() + SEQUENCE_ENDS;
    else if (place) place.click();
    else if (!isSecond && Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
    else return;
    event.preventDefault();
  });
}

document.addEventListener("click", (event) => {
  const item = event.target.closest("[data-item]");
  if (item) remember(item);
  const opensElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
  if (event.target.closest("[data-back]") && !opensElsewhere) goesBack();
}, true);
document.addEventListener("submit", (event) => {
  if (event.submitter?.matches("[data-mark]") && !event.submitter.closest("[data-item]")) goesBack();
});
window.addEventListener("load", comeBack);

// A menu closes as people expect it: on Escape, and by a click elsewhere.
document.addEventListener("click", (event) => {
  if (menu && !menu.contains(event.target)) menu.open = false;
});
menu?.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
