import type { Command } from 'commander';
import { collectSetting, type SubmitFlags, settingsOf } from './submit.js';

export interface ShellFlags extends SubmitFlags {
  readonly interactive?: boolean;
}

export function registerShell(program: Command): void {
  program
    .command('shell')
    .description('an interactive TypeScript prompt with a SheafContext, sc; or run what is piped in')
    .option('--master <master>', 'as for submit (default: local[*])')
    .option('--name <name>', 'name of the application (default: shell)')
    .option('--conf <key=value>', 'a setting; may be repeated', collectSetting, {})
    .option('--properties-file <file>', 'settings, one "key value" a line')
    .option('--files <list>', 'comma-separated files that tasks read with filePath(name)')
    .option('-i, --interactive', 'a prompt even if standard input is no terminal')
    .addHelpText(
      'after',
      `
At the prompt: TypeScript with await and import; declarations stay, and may be made again. sc is the context, sheaf the
package's exports. Ctrl-C cancels what runs, Ctrl-D ends; .help lists commands.
Without a terminal standard input is run as one script; the values of its expressions are printed.
Exit codes of a script: 0 success, 1 an error, 2 it could not be started, 130 interrupted.

Examples:
  sheaf shell --master local[4]
  echo 'await sc.range(0, 100).sum()' | sheaf shell`,
    )
    .action(async (flags: Omit<ShellFlags, 'deployMode'>) => {
      const { runShell } = await import('./shell-session.js');
      let layers: ReturnType<typeof settingsOf>;
      try {
        layers = settingsOf({ ...flags, deployMode: 'client' }, 'shell');
      } catch (error) {
        process.stderr.write(`sheaf shell: ${(error as Error).message}\n`);
        process.exit(2);
      }
      const code = await runShell(layers, flags.interactive === true || process.stdin.isTTY === true);
      process.stdout.write('', () => process.exit(code));
    });
}
