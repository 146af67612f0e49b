import type { Command } from 'commander';

/** Adds `sheaf doctor [--json]`: what this machine can do, and what to do about what it cannot. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('say what this machine can do: Node, TensorFlow, GPU, Redis, cores, memory, measured speed')
    .option('--json', 'one JSON line on stdout: { ok, lines, facts }')
    .addHelpText(
      'after',
      '\nExit code: 0 when jobs can run, 1 when they cannot.\nExample: sheaf doctor --json | jq .facts.compute',
    )
    .action(async (options: { json?: boolean }) => {
      // Loaded here: `--help` of the other commands need not wait for it.
      const { machineFacts } = await import('./doctor-facts.js');
      const { canRun, diagnose, render } = await import('./doctor-report.js');
      const facts = await machineFacts();
      const lines = diagnose(facts);
      const ok = canRun(lines);
      process.stdout.write(`${options.json ? JSON.stringify({ ok, lines, facts }) : render(lines)}\n`);
      process.exitCode = ok ? 0 : 1;
    });
}
