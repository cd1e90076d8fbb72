// Who talks: the token of the page's address, /talk#token=…, which no server ever sees. It is taken out of the address at
// once, kept for this tab alone, and sent with each request.

const NAME = "greenroom-token";
const PLAIN = /^[\x21-\x7e]+$/; // as a header may be

function take() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) {
    return;
  }
  history.replaceState(null, "", location.pathname + location.search);
  if (PLAIN.test(given)) {
    sessionStorage.setItem(NAME, given);
  } else {
    sessionStorage.removeItem(NAME);
  }
}

export function authorization() {
  const token = sessionStorage.getItem(NAME);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

take();
window.addEventListener("hashchange", take);
