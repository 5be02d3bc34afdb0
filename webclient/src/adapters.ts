// What a follower is wired to in a browser. Nothing here is imported: the shapes are those of the Web PubSub client, of
// `fetch` and of `document`.
import type { Api, Connection, SyncAnswer } from "./follower.js";
import type { Follower } from "./follower.js";
import type { HistoryMessage } from "./wire.js";

/** As much of `WebPubSubClient` as is needed. */
export interface WebPubSubLike {
  on(event: "connected", listener: () => void): void;
  on(event: "group-message" | "server-message", listener: (event: { message: { data: unknown } }) => void): void;
  off(event: "connected", listener: () => void): void;
  off(event: "group-message" | "server-message", listener: (event: { message: { data: unknown } }) => void): void;
}

/** A client of the official SDK as a connection. A stream that the SDK recovers lost nothing, so it is no new connection. */
export function webPubSubConnection(client: WebPubSubLike): Connection {
  return {
    listen({ frame, connected }) {
      const hear = (event: { message: { data: unknown } }): void => frame(event.message.data);
      client.on("connected", connected);
      client.on("group-message", hear);
      client.on("server-message", hear);
      return () => {
        client.off("connected", connected);
        client.off("group-message", hear);
        client.off("server-message", hear);
      };
    },
  };
}

/** The HTTP calls. `headers` say who is calling. */
export function restApi(base: string, headers: () => Record<string, string> = () => ({})): Rest {
  const call = async (route: string, init: RequestInit): Promise<unknown> => {
    const response = await fetch(`${base}/api/${route}`, init);
    if (!response.ok) throw new Error(`${route.split("?")[0]} answered ${response.status}`);
    return response.json();
  };
  return {
    sync: (request) =>
      call("sync", {
        method: "POST",
        headers: { ...headers(), "content-type": "application/json" },
        body: JSON.stringify(request),
      }) as Promise<SyncAnswer>,
    history: (place, page = {}) => {
      const numbers = Object.entries(page).map(([name, value]) => [name, String(value)]);
      const query = new URLSearchParams(Object.fromEntries(numbers) as Record<string, string>);
      if ("with" in place) query.set("with", place.with);
      const path = "with" in place ? "messages" : `rooms/${place.room}/messages`;
      return call(`${path}?${query}`, { headers: headers() }) as Promise<HistoryPage>;
    },
  };
}

export interface HistoryPage {
  readonly messages: readonly HistoryMessage[];
  readonly gap?: { readonly from: number; readonly to: number };
  readonly next?: number;
}

export interface Rest extends Api {
  /** One page; give it to {@link Follower.history}. */
  history(
    place: { readonly room: string } | { readonly with: string },
    page?: { readonly after?: number; readonly before?: number; readonly limit?: number },
  ): Promise<HistoryPage>;
}

/** Syncs whenever the page comes to the front. The result stops it. */
export function followFocus(follower: Pick<Follower, "focused">, page: Document = document): () => void {
  const look = (): void => {
    if (page.visibilityState === "visible") follower.focused();
  };
  page.addEventListener("visibilitychange", look);
  return () => page.removeEventListener("visibilitychange", look);
}
