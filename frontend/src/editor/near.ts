// Tells when an element comes near the screen, or when the page has nothing else to do. One observer serves all cells.

const MARGIN = "900px 0px";
const waiting = new Map<Element, () => void>();
let observer: IntersectionObserver | null = null;

/** Calls once; the answer is to be called by who no longer waits. One for each element. */
export function whenNear(element: Element, near: () => void): () => void {
  // The list scrolls, not the page: a margin counts only around what scrolls.
  observer ??= new IntersectionObserver(hear, { root: document.getElementById("cells"), rootMargin: MARGIN });
  waiting.set(element, near);
  observer.observe(element);
  return () => forget(element);
}

function hear(entries: IntersectionObserverEntry[]): void {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    const near = waiting.get(entry.target);
    forget(entry.target);
    near?.();
  }
}

function forget(element: Element): void {
  waiting.delete(element);
  observer?.unobserve(element);
}

// --- Idle time ---

const AT_A_TIME = 3;
const later = new Set<() => void>();
let asked = false;

/** The same, but for what is far away the browser's idle time will do. */
export function whenNearOrIdle(element: Element, due: () => void): () => void {
  const once = () => {
    stop();
    due();
  };
  const stopNear = whenNear(element, once);
  const stop = () => {
    stopNear();
    later.delete(once);
  };
  later.add(once);
  ask();
  return stop;
}

function ask(): void {
  if (asked || later.size === 0) return;
  asked = true;
  if ("requestIdleCallback" in window) requestIdleCallback(work);
  else setTimeout(work, 50); // Safari
}

function work(): void {
  asked = false;
  // They are drawn together, after this: few enough that nobody who types meanwhile notices.
  for (const due of [...later].slice(0, AT_A_TIME)) due();
  ask();
}
