/** The token of a tab whose browser keeps no cookies, in the tab's session storage. */

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

/** Store a token. */
export function storeToken(token: string): void {
  inMemory = token;
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // A sandboxed frame has no storage: the token lasts as long as the page.
  }
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
