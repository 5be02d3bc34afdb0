// Starts the real binary on free ports of 127.0.0.1 and gives tests the few tools they share.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const binary = process.env.HANDLER_BIN ?? path.join(root, "bin/handler");

/** How long any condition may take before its test fails. */
export const PATIENCE_MS = 20_000;

export const ACCESS_KEY = "a-test-access-key-of-more-than-32-bytes";

export async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resolves when `probe` answers something truthy; rejects after PATIENCE_MS with its last error. */
export async function eventually(what, probe) {
  const end = Date.now() + PATIENCE_MS;
  let last;
  while (Date.now() < end) {
    try {
      const answer = await probe();
      if (answer) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`never happened: ${what}`, { cause: last });
}

/** Collects what arrives and lets a test wait for the item it means. */
export class Mailbox {
  constructor() {
    this.items = [];
    this.waiting = [];
  }
  push = (item) => {
    this.items.push(item);
    this.waiting = this.waiting.filter(({ matches, resolve }) => !(matches(item) && (resolve(item), true)));
  };
  /** The first item that matches, from the past or to come. */
  async sees(what, matches) {
    const there = this.items.find(matches);
    if (there !== undefined) return there;
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`never saw ${what}; saw ${JSON.stringify(this.items).slice(0, 2000)}`)),
        PATIENCE_MS,
      );
    });
    const found = new Promise((resolve) => this.waiting.push({ matches, resolve }));
    return Promise.race([found, late]).finally(() => clearTimeout(timer));
  }
}

async function start(args, settings, ready) {
  // Only what a program needs from its surroundings: nothing of the developer's own settings reaches the test.
  const env = { PATH: process.env.PATH, HOME: os.tmpdir(), RUST_LOG: process.env.RUST_LOG ?? "warn", ...settings };
  const child = spawn(binary, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const output = [];
  child.stdout.on("data", (chunk) => output.push(chunk));
  child.stderr.on("data", (chunk) => output.push(chunk));
  const exit = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  const text = () => Buffer.concat(output).toString();
  await eventually("the program answers", async () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${text()}`);
    return (await fetch(ready, { method: "HEAD" })).ok;
  });
  return {
    text,
    exit,
    kill: (signal) => (child.kill(signal), exit),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
      return exit;
    },
  };
}

/** The whole chat backend alone, as `make run` starts it, on free ports. */
export async function startChat(t, { settings = {}, dataDir, ports } = {}) {
  const [port, wsPort] = ports ?? [await freePort(), await freePort()];
  const directory = dataDir ?? (await mkdtemp(path.join(os.tmpdir(), "chat-")));
  const base = `http://127.0.0.1:${port}`;
  const process_ = await start(
    [],
    {
      PORT: `${port}`,
      WS_PORT: `${wsPort}`,
      STORAGE_MODE: "file",
      DATA_DIR: directory,
      HUB_ACCESS_KEY: ACCESS_KEY,
      HUB_ACK_DELAY_MS: "2",
      ...settings,
    },
    `${base}/api/health`,
  );
  t.after(async () => {
    await process_.stop();
    if (!dataDir) await rm(directory, { recursive: true, force: true });
  });
  const call = async (method, route, body, user) => {
    const response = await fetch(`${base}${route}`, {
      method,
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...(user && { "x-user-id": user }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  };
  return {
    ...process_,
    base,
    port,
    wsPort,
    directory,
    connectionString: `Endpoint=${base};AccessKey=${ACCESS_KEY};Version=1.0;`,
    get: (route, user) => call("GET", route, undefined, user),
    post: (route, body, user) => call("POST", route, body, user),
    delete: (route, user) => call("DELETE", route, undefined, user),
    /** The URL that a client of this user would connect to. */
    clientUrl: async (user) => (await call("GET", `/api/negotiate?user_id=${encodeURIComponent(user)}`)).body.url,
  };
}

/** The hub alone, as a local emulator for any Web PubSub application. */
export async function startHub(t, args = []) {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const hub = await start(
    ["hub", "--port", `${port}`, "--access-key", ACCESS_KEY, "--ack-delay-ms", "2", ...args],
    {},
    `${base}/api/health`,
  );
  t.after(() => hub.stop());
  return { ...hub, base, port, connectionString: `Endpoint=${base};AccessKey=${ACCESS_KEY};Version=1.0;` };
}

/**
 * A TCP relay in front of the hub whose connections a test can cut without a word, as a phone in a tunnel does.
 * While it is `down`, new connections are refused as well.
 */
export async function startRelay(t, targetPort) {
  const sockets = new Set();
  let down = false;
  const server = net.createServer((client) => {
    if (down) return client.destroy();
    const upstream = net.connect(targetPort, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => {});
    }
    client.pipe(upstream);
    upstream.pipe(client);
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => sockets.forEach((socket) => socket.destroy());
  t.after(() => (cut(), server.close()));
  return {
    port: server.address().port,
    cut,
    set down(value) {
      down = value;
      if (value) cut();
    },
  };
}

/** Starts a client, with mailboxes for what it hears. It is stopped with the test. */
export async function connect(t, client) {
  const heard = {
    group: new Mailbox(),
    server: new Mailbox(),
    connected: new Mailbox(),
    disconnected: new Mailbox(),
    stopped: new Mailbox(),
    rejoinFailed: new Mailbox(),
  };
  client.on("group-message", (e) => heard.group.push(e.message));
  client.on("server-message", (e) => heard.server.push(e.message));
  client.on("connected", heard.connected.push);
  client.on("disconnected", heard.disconnected.push);
  client.on("stopped", heard.stopped.push);
  client.on("rejoin-group-failed", heard.rejoinFailed.push);
  t.after(() => client.stop());
  await client.start();
  const first = await heard.connected.sees("the connected event", () => true);
  return Object.assign(heard, { client, connectionId: first.connectionId, userId: first.userId });
}
