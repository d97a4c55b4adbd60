/** The token of a page that stands alone, kept in this tab's session storage. */

const KEY = "convoai-analytics.token";

let inMemory: string | null = null;

/** The stored token; null if there is none. */
export function storedToken(): string | null {
  try {
    return sessionStorage.getItem(KEY) ?? inMemory;
  } catch {
    return inMemory;
  }
}

/** Store a token that a person pasted, with or without "Bearer " before it. Returns false if the text is empty. */
export function storeToken(pasted: string): boolean {
  const token = pasted.trim().replace(/^bearer\s+/i, "");
  if (token === "") return false;
  inMemory = token;
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // A sandboxed frame has no storage: the token lasts as long as the page.
  }
  return true;
}

/** Remove the stored token. */
export function removeToken(): void {
  inMemory = null;
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Without storage there is nothing to remove.
  }
}
