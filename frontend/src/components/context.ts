import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Page } from "../notebook/page";

const PageContext = createContext<Page | null>(null);
export const PageProvider = PageContext.Provider;

export function usePage(): Page {
  return useContext(PageContext)!;
}
