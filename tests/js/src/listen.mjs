// Joins a room with the official client and prints what arrives: `node listen.mjs USER ROOM [BASE]`.
import { WebPubSubClient } from "@azure/web-pubsub-client";

const [user = "bob", room = "general", base = "http://127.0.0.1:5000"] = process.argv.slice(2);
const headers = { "x-user-id": user, "content-type": "application/json" };

async function call(path) {
  const response = await fetch(base + path, { method: "POST", headers, body: "{}" });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

await call(`/api/rooms/${room}/join`);
const client = new WebPubSubClient({ getClientAccessUrl: async () => (await call("/api/negotiate")).url });
client.on("connected", () => console.log(`${user} listens to ${room}`));
client.on("group-message", ({ message }) => console.log(JSON.stringify(message.data)));
await client.start();
