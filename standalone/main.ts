import { isAtLeast, MINIMUM_NODE } from './node-version.ts';

// Nothing else is imported before: an older Node would fail on it with a message about itself.
if (isAtLeast(process.versions.node, MINIMUM_NODE)) {
  const { start } = await import('./start.ts');
  await start();
} else {
  console.error(
    `Imageplane needs Node ${MINIMUM_NODE} or later; this is ${process.versions.node} (${process.execPath}).\n` +
      'Run `npm ci`, which brings one along on Linux, and start with `npm start`.',
  );
  process.exitCode = 2;
}
