import type { Json } from '../protocol/json.js';
import type { SlotProgram } from '../protocol/program.js';
import { connectTo } from './ps-client.js';
import type { ServerAddress } from './ps-protocol.js';

interface SaveOrder {
  readonly generation: number;
  readonly step: number;
  readonly server: ServerAddress;
  readonly id: string;
  readonly scope: string;
}

/** Host-seat program: writes a parameter server's state into a block of this executor. */
const saveState: SlotProgram = {
  async prepare() {
    return {
      async run(task, { blocks, signal }) {
        const { generation, step, server, id, scope } = task.inputs as unknown as SaveOrder;
        const connection = connectTo(server, signal);
        try {
          const { payload } = await connection.ask({ kind: 'state', token: server.token, generation, step });
          return (await blocks.put(id, scope, payload)) as unknown as Json;
        } finally {
          connection.close();
        }
      },
    };
  },
};
export default saveState;
