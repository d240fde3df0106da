// Greets PORT as often as COUNT says with client.ts as a library.
import { connect } from "../../client.ts";

const [port, count] = Deno.args.map(Number) as [number, number];
await using client = await connect({ port });
for (let i = 0; i < count; i++) await client.greet(`Michael${i}`);
await client.exit();
