import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { registerDoctor } from './doctor.js';
import { registerExecutor } from './executor.js';
import { registerShell } from './shell.js';
import { registerSubmit } from './submit.js';
import { registerTune } from './tune.js';

const { version, description } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const program = new Command('sheaf').enablePositionalOptions().description(description).version(version);
registerSubmit(program);
registerShell(program);
registerExecutor(program);
registerTune(program);
registerDoctor(program);

try {
  await program.parseAsync();
} catch (error) {
  console.error(`sheaf: ${(error as Error).message}`);
  process.exitCode = 1;
}
