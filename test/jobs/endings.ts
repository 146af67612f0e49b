/** Ends, or does not, in the way its first argument names. It says "begun" once its tasks run. */
import { writeFileSync } from 'node:fs';
import type { SheafContext } from 'sheaf';
import { trainSample } from './train-sample.js';

export default async function main(sc: SheafContext, [how, data = 'data/motionsense-sample']: string[]) {
  sc.bus.listen((event) => {
    if (event.event === 'stage-start') console.log('begun');
    if (event.event === 'round') console.log(`epoch ${event.epoch} generation ${event.generation}`);
  });
  const rows = sc.parallelize([0, 1, 2, 3], 4);
  switch (how) {
    case 'train':
      return trainSample(sc, data, 10_000, 'ps');
    case 'train-tree':
      return trainSample(sc, data, 10_000, 'tree');
    case 'wait':
      return rows.map(() => new Promise<number>(() => {})).count();
    case 'loop':
      return rows
        .map((row) => {
          if (row === 1) throw new Error('row 1 is bad');
          for (;;) row += 1;
        })
        .count();
    case 'loop-forever':
      return rows
        .map((row): number => {
          for (;;) row += 1;
        })
        .count();
    case 'throw':
      await rows.count();
      throw new TypeError('the job itself is wrong');
    case 'exit':
      await rows.count();
      return process.exit(7);
    case 'task-exit':
      return rows.map((row) => (row === 2 ? process.exit(3) : row)).count();
    case 'memory':
      return rows
        .map((row) => {
          const kept: number[][] = [];
          while (row === 1) kept.push(new Array(1_000_000).fill(row));
          return row;
        })
        .count();
    case 'timer':
      setInterval(() => {}, 1000);
      return rows.count();
    case 'print':
      await rows.foreach((row) => console.log(`task prints ${row}`));
      process.stdout.write('main prints\n');
      return { rows: await rows.count() };
    case 'recover': {
      const failed = await rows
        .map((row): number => {
          if (row === 1) throw new Error('row 1 is bad');
          for (;;) row += 1;
        })
        .count()
        .catch((error: Error) => error.message);
      return { failed, next: await rows.map((row) => row + 1).collect() };
    }
    default:
      writeFileSync(2, `unknown: ${how}\n`);
      return null;
  }
}
