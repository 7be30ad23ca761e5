import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { it } from 'node:test';
import { endSocket } from './end-socket.ts';

it('a connection ends soon after its last bytes, also when the client never closes its side', async () => {
  const closed = Promise.withResolvers<undefined>();
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    socket.once('close', () => {
      closed.resolve(undefined);
    });
    endSocket(socket, 'bye');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  client.on('error', () => undefined);
  client.resume();
  await closed.promise;
  assert.equal(client.writable, true, 'the client had not closed its side');
  client.destroy();
  server.close();
});
