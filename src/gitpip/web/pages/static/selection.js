// Rows are selected by boxes in a table, which go on working while the table updates itself. Where
// the form names its list, the selection is kept through the pages of the list. The form may come
// with the first rows, by an update, so nothing holds on to it.
const KEPT = "gitpip.selected"; // in this tab: the address of a list, and who is selected in it
const formOf = () => document.getElementById("selection");
const allBox = () => document.getElementById("all-on-page");
const boxes = () => [...document.querySelectorAll('input[type="checkbox"][form="selection"]')];
const selected = () => boxes().filter((box) => box.checked);
let elsewhere = new Set(); // who is selected, and not on this page

function count() {
  const [form, all] = [formOf(), allBox()];
  const number = selected().length;
  all.checked = number > 0 && number === boxes().length;
  all.indeterminate = number > 0 && !all.checked;
  const text = elsewhere.size ? `, ${elsewhere.size} on other pages` : "";
  const chosen = document.getElementById("chosen");
  const words = number + elsewhere.size ? `${number + elsewhere.size} selected${text}` : "";
  if (chosen.textContent !== words) chosen.textContent = words; // a change is read aloud
  form.toggleAttribute("data-elsewhere", elsewhere.size > 0);
  keep(form);
}

function keep(form) {
  const { list } = form.dataset;
  if (!list) return;
  const chosen = [...elsewhere, ...selected().map((box) => box.value)];
  document.getElementById("clear-selection").hidden = !chosen.length;
  sessionStorage.setItem(KEPT, JSON.stringify({ list, chosen }));
}

// Ticks the boxes of those who are on this page; the others stay in `elsewhere`.
function tick() {
  if (!allBox()) return;
  allBox().closest("label").hidden = false;
  for (const box of boxes()) if (elsewhere.delete(box.value)) box.checked = true;
  count();
}

function takeUp() {
  const form = formOf();
  if (!form) return;
  const last = JSON.parse(sessionStorage.getItem(KEPT));
  if (form.dataset.list && last?.list === form.dataset.list) {
    const gone = (form.dataset.gone ?? "").split(" "); // they are tracked no longer: no box shows them
    elsewhere = new Set(last.chosen.filter((login) => !gone.includes(login)));
    for (const box of boxes()) box.checked = false;
  }
  tick();
}

// The selection ends with an act that was done, and when the reader comes from somewhere else.
function forget(form) {
  const isNew = performance.getEntriesByType("navigation")[0]?.type === "navigate";
  const act = new URL(form.action).pathname;
  const from = document.referrer && new URL(document.referrer).pathname;
  const isOwn = from === act || from === act.slice(0, act.lastIndexOf("/"));
  if (!allBox() || (isNew && ("done" in form.dataset || !isOwn))) sessionStorage.removeItem(KEPT);
}

if (formOf()) forget(formOf());
else sessionStorage.removeItem(KEPT); // nobody is left in the list
takeUp();
document.addEventListener("change", (event) => {
  if (!allBox()) return;
  if (event.target === allBox()) for (const box of boxes()) box.checked = allBox().checked;
  count();
});
// Browsers tick boxes again when somebody comes back to a page.
window.addEventListener("pageshow", takeUp);
document.addEventListener("htmx:afterSettle", tick);
document.addEventListener("click", (event) => {
  if (event.target.id !== "clear-selection") return;
  elsewhere.clear();
  for (const box of boxes()) box.checked = false;
  count();
  allBox().focus();
});
document.addEventListener("formdata", (event) => {
  if (event.target !== formOf()) return;
  for (const each of elsewhere) event.formData.append(event.target.dataset.names, each);
});
// The table comes without ticks and without that choice, and must not take away ours.
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) =>
  name !== "checked" && !(name === "hidden" && element === allBox()?.closest("label"));
// Nor may a selected row leave for another page of the table before something was done to it.
document.addEventListener("htmx:beforeSwap", (event) => {
  const come = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
  if (!selected().every((box) => come.getElementById(box.id))) event.detail.shouldSwap = false;
});
