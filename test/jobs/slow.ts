/** So many tasks of so many milliseconds; says "done N" after each. */
import type { SheafContext } from 'sheaf';

export default async function main(sc: SheafContext, [tasks = '10', ms = '100']: string[]) {
  let done = 0;
  sc.bus.listen((event) => {
    if (event.event === 'task-end' && !event.failure) console.log(`done ${++done}`);
  });
  const slow = sc.range(0, Number(tasks), 1, Number(tasks)).map(async (row) => {
    await new Promise((resolve) => setTimeout(resolve, Number(ms)));
    return row;
  });
  const rows = await slow.collect();
  return { rows: rows.length, sum: rows.reduce((a, b) => a + b, 0) };
}
