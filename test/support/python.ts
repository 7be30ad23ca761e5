export type { PythonEnvironment } from '../../models/tools/python.ts';
import { fileURLToPath } from 'node:url';
import { type PythonEnvironment, pythonEnvironmentOf } from '../../models/tools/python.ts';

/** The environment of `test/python/<name>.txt`. @throws Error what `pythonEnvironmentOf` throws. */
export async function pythonEnvironment(name: 'rembg' | 'gradio' | 'photos'): Promise<PythonEnvironment> {
  return pythonEnvironmentOf(fileURLToPath(new URL(`../python/${name}.txt`, import.meta.url)));
}
