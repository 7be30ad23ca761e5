import express from 'express';
import { z } from 'zod';
import { exportModel } from '../access/exports.ts';
import { callerOf } from '../authenticate.ts';
import { parse, type Routes } from './support.ts';

const request = z.strictObject({ models: z.array(z.string().min(1).max(253)).min(1).max(1000) });

/** Leave to take the files of a model out: a permission of its own, and never in bulk. */
export const exportRoutes: Routes = (app, context) => {
  app.post('/api/v1/model-exports', express.json({ limit: '300kb' }), async (asked, response) => {
    const { models } = parse(request, asked.body);
    response.status(201).json(await exportModel(context, callerOf(asked), models));
  });
};
