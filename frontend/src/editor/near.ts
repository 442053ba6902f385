// Tells when an element comes near the screen, or when the page has nothing else to do. One observer serves all cells.

const MARGIN = "900px 0px";
const waiting = new Map<Element, Set<() => void>>();
let observer: IntersectionObserver | null = null;

/** Calls once; the answer is to be called by who no longer waits. */
export function whenNear(element: Element, near: () => void): () => void {
  // The list scrolls, not the page: a margin counts only around what scrolls.
  observer ??= new IntersectionObserver(hear, { root: document.getElementById("cells"), rootMargin: MARGIN });
  const others = waiting.get(element);
  if (others) others.add(near);
  else waiting.set(element, new Set([near]));
  // Also of one that is watched already, which tells where it is now.
  observer.unobserve(element);
  observer.observe(element);
  return () => {
    const left = waiting.get(element);
    left?.delete(near);
    if (left?.size === 0) forget(element);
  };
}

function hear(entries: IntersectionObserverEntry[]): void {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    const near = waiting.get(entry.target);
    forget(entry.target);
    near?.forEach((call) => call());
  }
}

function forget(element: Element): void {
  waiting.delete(element);
  observer?.unobserve(element);
}

// --- Idle time ---

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
  else setTimeout(() => work({ timeRemaining: () => 0 }), 200); // Safari
}

function work(deadline: Pick<IdleDeadline, "timeRemaining">): void {
  asked = false;
  for (const due of later) {
    due();
    // What was called is drawn after it, in the same idle time: a few milliseconds are left for that.
    if (deadline.timeRemaining() < 10) break;
  }
  ask();
}
