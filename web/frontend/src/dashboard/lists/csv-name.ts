/** The name of a CSV file: the list, the filters, and without filters the date. Pure. */

export function csvName(table: string, params: Readonly<Record<string, unknown>>, now: number): string {
  const filters = Object.entries(params)
    .filter(([name, value]) => value !== "" && value !== undefined && value !== null && name !== "limit")
    .map(([name, value]) =>
      name === "from" || name === "to" ? `${name}-${String(value).slice(0, 16)}` : String(value),
    );
  const date = new Date(now).toISOString().slice(0, 10);
  const words = [table, ...filters, ...(filters.length ? [] : [date])].map(fileNamePart).filter(Boolean);
  return `${words.join("_").slice(0, 120)}.csv`;
}

/** Keep only characters that every file system accepts; values come from tracked events, and may hold anything. */
function fileNamePart(word: string): string {
  return word.replace(/[^A-Za-z0-9-]+/g, "-").replace(/^-+|-+$/g, "");
}
