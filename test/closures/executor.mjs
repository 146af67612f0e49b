// A process that knows nothing of the driver's: restores functions, calls them, and writes what they return.
import { readFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import { loadBundle } from '../../dist/executor/bundle.js';
import { decodeValue, encodeValue, restoreFunction } from '../../dist/executor/closure/index.js';

const { bundle, calls } = deserialize(readFileSync(0));
if (bundle) loadBundle(bundle.code, bundle.sha256, bundle.file);
const replies = [];
for (const { shipped, args } of calls) {
  try {
    replies.push({ value: encodeValue(await restoreFunction(shipped)(...decodeValue(args))) });
  } catch (error) {
    replies.push({ error: error.stack });
  }
}
process.stdout.write(serialize(replies));
