import { describe, expect, it, vi } from "vitest";
import type { Rest } from "../../../src/client/rest";
import { Listing, MAX_ROWS, type Order } from "../../../src/dashboard/lists/listing";

interface Row {
  id: number;
}
const ORDER: Order<Row> = { key: ({ id }) => id, compare: (one, other) => other.id - one.id };

/** A service whose list holds the rows from `newest` down to 1. */
class Service {
  newest: number;
  constructor(
    newest: number,
    readonly size: number,
  ) {
    this.newest = newest;
  }
  rest = () =>
    ({
      list: async (_path: string, { cursor }: { cursor?: string }) => {
        const from = cursor === undefined ? this.newest : Number(cursor);
        const to = Math.max(0, from - this.size);
        const items = Array.from({ length: from - to }, (_, index) => ({ id: from - index }));
        return { items, next: to > 0 ? String(to) : null, position: "p" };
      },
    }) as unknown as Rest;
}

const settled = () => new Promise((resolve) => setTimeout(resolve));
const ids = (listing: Listing<Row>) => listing.rows?.map(({ id }) => id);

async function opened(service: Service): Promise<Listing<Row>> {
  const listing = new Listing<Row>(service.rest, vi.fn());
  listing.show("rows", {});
  await settled();
  return listing;
}

describe("a list", () => {
  it("grows by older pages until there are no more", async () => {
    const listing = await opened(new Service(5, 2));
    listing.loadOlder();
    await settled();
    listing.loadOlder();
    await settled();
    expect(ids(listing)).toEqual([5, 4, 3, 2, 1]);
    expect(listing.hasMore).toBe(false);
  });

  it("adds live rows in their order, each once", async () => {
    const listing = await opened(new Service(3, 3));
    listing.merge([{ id: 5 }, { id: 4 }, { id: 3 }], ORDER);
    listing.merge([{ id: 5 }], ORDER);
    expect(ids(listing)).toEqual([5, 4, 3, 2, 1]);
  });

  it("stays as long as a page while it is live and nothing older was loaded", async () => {
    const service = new Service(10, 3);
    const listing = await opened(service);
    listing.merge([{ id: 12 }, { id: 11 }], ORDER);
    service.newest = 12;
    listing.reloadFirstPage(ORDER);
    await settled();
    expect(ids(listing)).toEqual([12, 11, 10]);
  });

  it("keeps the older pages below fresh rows, and goes on where it was", async () => {
    const service = new Service(10, 2);
    const listing = await opened(service);
    listing.loadOlder();
    await settled();
    service.newest = 11;
    listing.reloadFirstPage(ORDER);
    await settled();
    expect(ids(listing)).toEqual([11, 10, 9, 8, 7]);
    listing.loadOlder();
    await settled();
    expect(ids(listing)).toEqual([11, 10, 9, 8, 7, 6, 5]);
  });

  it("says whether older pages follow, which are not updated", async () => {
    const listing = await opened(new Service(10, 2));
    expect(listing.hasOlderPages).toBe(false);
    listing.loadOlder();
    await settled();
    expect(listing.hasOlderPages).toBe(true);
    listing.refresh();
    await settled();
    expect(listing.hasOlderPages).toBe(false);
  });

  it("does not load its first page again while older pages are loading, and says so", async () => {
    const listing = await opened(new Service(10, 2));
    listing.loadOlder();
    expect(listing.reloadFirstPage(ORDER)).toBe(false);
    await settled();
    expect(listing.reloadFirstPage(ORDER)).toBe(true);
  });

  it("never has a gap: if more happened than a page holds, it begins anew with that page", async () => {
    const service = new Service(10, 2);
    const listing = await opened(service);
    listing.loadOlder();
    await settled();
    service.newest = 20;
    listing.reloadFirstPage(ORDER);
    await settled();
    expect(ids(listing)).toEqual([20, 19]);
  });

  it("is bounded, however far one scrolls", async () => {
    const listing = await opened(new Service(10 * MAX_ROWS, 1000));
    for (let page = 0; page < 5; page++) {
      listing.loadOlder();
      await settled();
    }
    expect([listing.rows?.length, listing.isFull, listing.hasMore]).toEqual([MAX_ROWS, true, false]);
  });
});
