// Parts of pages update themselves; says so when they no longer can, and until when they did.
let last = new Date();

document.addEventListener("htmx:afterRequest", (event) => {
  const banner = document.getElementById("stale");
  if (event.detail.successful) last = new Date();
  banner.hidden = event.detail.successful;
  const time = last.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const reason = event.detail.xhr.status === 404 ? "What this page shows is not here any more." : "gitpip does not answer just now.";
  banner.textContent = `${reason} This page is as it was at ${time}.`;
});
