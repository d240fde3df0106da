// Greets PORT as often as COUNT says and checks every reply, on Node's net.
import { connect } from "node:net";

const [port, count] = process.argv.slice(2).map(Number);
const socket = connect({ host: "127.0.0.1", port, noDelay: true });
let next = 0, expected = "Welcome!", got = "";
socket.setEncoding("utf8");
socket.on("data", (data) => {
  got += data;
  if (got.length < expected.length) return;
  if (got !== expected) throw new Error(`wrong reply: ${got}`);
  got = "";
  if (next === count) {
    expected = "";
    socket.end("exit");
  } else {
    const name = `Michael${next++}`;
    expected = `Hello, ${name}!`;
    socket.write(name);
  }
});
socket.on("end", () => process.exit(next === count ? 0 : 1));
