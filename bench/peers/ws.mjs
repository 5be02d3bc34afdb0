// Peer: the `ws` package. Whatever one client sends is broadcast to every client, encoded once by the package's own
// means (a Buffer, no per-client work of ours).
import { WebSocketServer } from "ws";

const port = Number(process.argv[2]);
const server = new WebSocketServer({ port, host: "127.0.0.1", perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.on("message", (data) => {
    for (const client of server.clients) client.send(data, { binary: false });
  });
});
