import { toFailure } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { ServiceProgram } from '../protocol/program.js';
import { BlockFiles, type BlockHome } from './block-files.js';
import { labelOutput } from './task-output.js';

/** A service's process: starts the module it is told to, answers with its address or why it has none, and lives until its executor ends it. */
export interface ServiceInit {
  readonly name: string;
  readonly module: string;
  readonly parameters: Json;
  readonly bind: string;
  readonly hostname: string;
  readonly home: BlockHome;
}

const init: ServiceInit = JSON.parse(process.env.SHEAF_SERVICE ?? '');
labelOutput(init.name);
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => {});

const module: { default: ServiceProgram } = await import(new URL(`../${init.module}.js`, import.meta.url).href);
const { bind, hostname, home } = init;
try {
  const context = { blocks: new BlockFiles(home), bind, hostname, token: home.token };
  process.send?.({ address: await module.default.start(init.parameters, context) });
} catch (error) {
  process.send?.({ failure: toFailure(error) }); // its executor then ends it
}
