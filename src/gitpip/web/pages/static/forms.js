// What a form sends is sent once. A second click before the answer would create another key or link,
// and the answer to the first, with its secret, would never be seen.
let isSent = false;

function methodOf(form, button) {
  return button?.hasAttribute("formmethod") ? button.formMethod : form.method;
}

document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || methodOf(event.target, event.submitter) !== "post") return;
  if (isSent) {
    event.preventDefault();
    announce("Already sent. Waiting for the answer…"); // of gitpip.js
  }
  isSent = true;
});

function sendAgain() {
  isSent = false;
  announce("");
}

// The reader came back to a page that the browser has kept, or has stopped the sending.
window.addEventListener("pageshow", (event) => event.persisted && sendAgain());
window.navigation?.addEventListener("navigateerror", sendAgain);
