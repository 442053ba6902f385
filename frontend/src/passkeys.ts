// What django-allauth's scripts for passkeys leave to the page: saying so where there are none, and what went wrong.

const buttons = document.querySelectorAll<HTMLButtonElement>("[data-needs-passkeys]");

function say(words: string): void {
  const place = document.querySelector<HTMLElement>("[data-passkey-error]");
  if (!place) return;
  place.textContent = words;
  place.hidden = false;
}

function inWords(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "No passkey was used: it was cancelled, or took too long.";
  if (name === "InvalidStateError") return "This device has a passkey for you already.";
  if (name === "SecurityError") return "Passkeys need a name in the address bar and https: an address in numbers has none.";
  return "The passkey did not work. Try again, or use another way.";
}

if (!("PublicKeyCredential" in window)) for (const button of buttons) button.hidden = true;
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  say(inWords((event as CustomEvent<{ exception: unknown }>).detail.exception));
});
