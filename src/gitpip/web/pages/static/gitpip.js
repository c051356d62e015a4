// Parts of pages update themselves. What is being read stays where it is, and what comes above it
// is announced. A page says when it can no longer be updated, and until when it was.
let last = new Date();

document.addEventListener("htmx:afterRequest", (event) => {
  const banner = document.getElementById("stale");
  if (event.detail.successful) last = new Date();
  banner.hidden = event.detail.successful;
  const time = last.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const shown = `Showing what we had at ${time}.`;
  const isGone = event.detail.xhr.status === 404;
  banner.textContent = isGone ? `This item no longer exists. ${shown}` : `Can't reach gitpip. ${shown} Retrying…`;
});

const ENTRIES = "article[id], tr[id], li[id]";
let reading = null; // the entry that is being read, and where it was before the update
let held = null; // the part whose update waits until nothing in it is selected or open

function entriesOf(region) {
  return [...region.querySelectorAll(ENTRIES)];
}

function topOf(element) {
  return element.getBoundingClientRect().top;
}

function isSelectedIn(region) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(region, true);
}

function whyHeld(region) {
  if (isSelectedIn(region)) return "Updates wait while text is selected.";
  return region.querySelector("details[open]") ? "Updates wait while details are open." : null;
}

function catchUp() {
  if (!held || whyHeld(held)) return;
  const region = held;
  held = null;
  announce("");
  const path = region.isConnected && region.getAttribute("hx-get");
  if (path) htmx.ajax("GET", path, { source: region });
}

document.addEventListener("selectionchange", catchUp);
document.addEventListener("toggle", catchUp, true); // it does not bubble

function announce(text, act) {
  const place = document.getElementById("announcement");
  place.replaceChildren();
  if (!text) return;
  if (!act) {
    place.textContent = text;
    return;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.addEventListener("click", () => {
    announce("");
    act();
  });
  place.append(button);
}

// The line above a list that says how much came since it was shown.
function tellArrivals(text, address) {
  const line = document.getElementById("arrivals");
  if (!text) return line.replaceChildren();
  const link = line.querySelector("a") ?? line.appendChild(document.createElement("a"));
  if (link.textContent !== text) link.textContent = text; // a change is read aloud
  link.href = address;
}

function showFirst(id) {
  const entry = document.getElementById(id);
  if (!entry) return;
  entry.scrollIntoView({ block: "start" });
  entry.querySelector("a, button")?.focus({ preventScroll: true });
}

// What scripts have written stays in an update: text that leaves and comes again is read aloud again.
function isKept(shown, come) {
  if (shown.id === "chosen") return true; // of selection.js
  return shown.localName === "time" && shown.title && shown.dateTime === come.dateTime;
}

Idiomorph.defaults.callbacks.beforeNodeMorphed = (shown, come) => !isKept(shown, come);

document.addEventListener("htmx:beforeSwap", (event) => {
  const region = event.detail.target;
  reading = null;
  // What the reader does is answered at once; only updates wait.
  if (!event.detail.shouldSwap || !region.id || event.detail.requestConfig.verb !== "get") return;
  const hold = (text, act) => {
    event.detail.shouldSwap = false;
    announce(text, act);
  };
  const why = whyHeld(region);
  if (why) {
    held = region;
    return hold(why);
  }
  const parts = [document.getElementById("needing"), region]; // the first is updated with the second
  const entries = parts.flatMap((part) => (part ? entriesOf(part) : []));
  const seen = entries.filter((one) => one.getBoundingClientRect().bottom > 0 && topOf(one) < innerHeight);
  if (!seen.length) return announce("");
  const fresh = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
  // What begins above the window may become higher, and push down what is read.
  const steady = [...seen.filter((one) => topOf(one) >= 0), ...seen];
  const isReplaced = fresh.getElementById(region.id) && region.getAttribute("hx-swap") !== "none";
  const entry = isReplaced ? steady.find((one) => fresh.getElementById(one.id)) : steady[0];
  if (!entry) return hold("This list has changed: show it", () => location.reload());
  const known = new Set(entries.map((one) => one.id));
  reading = { id: entry.id, top: topOf(entry), known, region: region.id };
});

// What needs attention stands above the list. Rows that the reader sees or uses stay as they are.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  if (target.id !== "needing") return;
  const [known, now] = [target, fragment].map((part) => entriesOf(part).map((one) => one.id));
  const isSame = known.join() === now.join();
  const isAboveWindow = target.getBoundingClientRect().bottom < 0;
  const isUsed = target.contains(document.activeElement) || whyHeld(target);
  event.detail.shouldSwap = !isUsed && (isSame || isAboveWindow);
  const come = now.filter((id) => !known.includes(id)).length;
  const text = come ? `${come} new – show` : "Changed – show";
  const list = document.getElementById("list").getAttribute("hx-get");
  tellArrivals(isSame || event.detail.shouldSwap ? "" : text, list);
});

document.addEventListener("htmx:afterSwap", () => {
  if (!reading) return;
  const { id, top, known, region } = reading;
  reading = null;
  showTimes(); // in fewer words than UTC, so rows may become less high
  const entry = document.getElementById(id);
  if (!entry) return;
  const main = document.getElementById("main");
  main.style.minBlockSize = "";
  scrollBy(0, topOf(entry) - top);
  const missing = topOf(entry) - top;
  if (missing > 0) {
    // The page is too short to be scrolled that far.
    main.style.minBlockSize = `${main.offsetHeight + missing}px`;
    scrollBy(0, missing);
  }
  const list = document.getElementById(region);
  if (!list) return;
  const above = entriesOf(list).filter((one) => !known.has(one.id) && topOf(one) < topOf(entry));
  if (above.length) {
    const number = above.length === 1 ? "1 new entry" : `${above.length} new entries`;
    announce(`${number} above: show`, () => showFirst(above[0].id));
  }
});

document.addEventListener("scroll", () => {
  if (scrollY === 0) announce("");
});

// Where a form has several buttons, Enter in a field can press another one than the first.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  const button = document.getElementById(event.target.dataset?.enter);
  if (!button) return;
  event.preventDefault();
  button.click();
});
