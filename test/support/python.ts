export type { PythonEnvironment } from '../../models/tool/python.ts';
import { fileURLToPath } from 'node:url';
import { type PythonEnvironment, pythonEnvironmentOf } from '../../models/tool/python.ts';

type Name = 'rembg' | 'rembg-gpu' | 'gradio' | 'photos';

/** The environment of `test/python/<name>.txt`. @throws Error what `pythonEnvironmentOf` throws. */
export async function pythonEnvironment(name: Name): Promise<PythonEnvironment> {
  return pythonEnvironmentOf(fileURLToPath(new URL(`../python/${name}.txt`, import.meta.url)));
}
