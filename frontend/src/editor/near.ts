// Tells when an element comes near the screen. One observer serves all cells.

const MARGIN = "900px 0px";
const waiting = new Map<Element, () => void>();
let observer: IntersectionObserver | null = null;

/** Calls once; the answer is to be called by who no longer waits. */
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
