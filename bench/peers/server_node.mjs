// A greeting server on Node's net.
import { createServer } from "node:net";

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => {});
  socket.write("Welcome!");
  socket.on("data", (data) => {
    const name = data.toString();
    if (name === "exit") socket.end();
    else socket.write(`Hello, ${name}!`);
  });
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`127.0.0.1:${server.address().port}`);
});
