import { entryPoint } from '../protocol/entry.js';
import { type Failure, FailureError } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { Services } from '../protocol/program.js';
import { inScope } from '../protocol/scope.js';
import type { BlockHome } from './block-files.js';
import { childEnvironment } from './child-environment.js';
import { describeExit, type GuardedChild, spawnGuarded } from './guardian.js';
import type { ServiceInit } from './service-main.js';

type ServiceAnswer = { readonly address: Json } | { readonly failure: Failure };

/** The services of one executor; see the contract in protocol/program.ts. */
export class ServiceProcesses implements Services {
  readonly #running = new Map<GuardedChild, string>();

  constructor(
    readonly home: BlockHome,
    /** Where services listen, and under which name other hosts reach them. */
    readonly bind: string,
    readonly hostname: string,
    readonly environment: NodeJS.ProcessEnv,
  ) {}

  async start(module: string, scope: string, parameters: Json): Promise<Json> {
    const { home, bind, hostname } = this;
    const init: ServiceInit = { name: module, module, parameters, bind, hostname, home };
    const child = spawnGuarded(process.execPath, [entryPoint('executor/service-main.js')], {
      name: module,
      ipc: 'json',
      env: {
        ...childEnvironment(),
        ...this.environment,
        SHEAF_SERVICE: JSON.stringify(init),
        SHEAF_SCRATCH: home.diskDirectory,
      },
    });
    this.#running.set(child, scope);
    const ended = child.ended.then((code) => {
      this.#running.delete(child);
      const message = `the service ${module} of ${home.holder} ended: ${describeExit(code)}`;
      throw new FailureError({ kind: 'executor-lost', executor: home.holder, message });
    });
    ended.catch(() => {});
    const ready = new Promise<ServiceAnswer>((resolve) => child.process.once('message', resolve as never));
    const answer = await Promise.race([ready, ended]);
    if ('address' in answer) return answer.address;
    void child.kill(0);
    throw new FailureError(answer.failure);
  }

  release(scope: string): void {
    for (const [child, owner] of this.#running) if (inScope(owner, scope)) void child.kill(0);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((child) => child.kill(0)));
  }
}
