// The page is as high as what is seen of it: an on-screen keyboard never covers the cell that is written or the tools.

export function followViewport(): () => void {
  const viewport = window.visualViewport;
  if (!viewport) return () => undefined;
  const fit = () => {
    // Pinching in is no keyboard: whoever looks closer wants the same page.
    if (viewport.scale > 1.01) return;
    document.documentElement.style.setProperty("--viewport-height", `${Math.round(viewport.height)}px`);
    // Safari moves the page up instead of shrinking it.
    if (viewport.offsetTop > 0) window.scrollTo(0, 0);
  };
  viewport.addEventListener("resize", fit);
  viewport.addEventListener("scroll", fit);
  fit();
  return () => {
    viewport.removeEventListener("resize", fit);
    viewport.removeEventListener("scroll", fit);
    document.documentElement.style.removeProperty("--viewport-height");
  };
}
