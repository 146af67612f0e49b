import { FailureError } from '../../protocol/failure.js';
import type { Json } from '../../protocol/json.js';
import type { SlotProgram } from '../../protocol/program.js';
import { type Ask, Link } from './link.js';
import type { ServerAddress } from './messages.js';
import { lostServers } from './server-exchange.js';

/** The same request to each of these servers. */
export interface AskServers {
  readonly servers: readonly ServerAddress[];
  readonly request: Extract<Ask, { token: string }> extends infer R
    ? R extends unknown
      ? Omit<R, 'token'>
      : never
    : never;
}

/**
 * Host-seat program, for a driver that may not reach the servers itself: asks them, over connections of its own, and
 * answers with their answers, in order; null for a server that is gone.
 */
const askServers: SlotProgram = {
  async prepare() {
    return {
      async run(task, { signal }) {
        const { servers, request } = task.inputs as unknown as AskServers;
        const answers = await Promise.all(servers.map((server) => ask(server, request, signal)));
        return answers as unknown as Json;
      },
    };
  },
};
export default askServers;

async function ask({ token, ...address }: ServerAddress, request: AskServers['request'], signal: AbortSignal) {
  const link = await Link.open(address).catch(() => undefined);
  if (!link) return null;
  const abort = () => link.close();
  signal.addEventListener('abort', abort);
  try {
    const { re: _, ...answer } = await link.ask({ ...request, token } as Ask);
    return answer;
  } catch (error) {
    throw error instanceof FailureError ? error : lostServers(error as Error);
  } finally {
    signal.removeEventListener('abort', abort);
    link.close();
  }
}
