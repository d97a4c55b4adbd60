/** The Vercel AI SDK: a whole answer and a streamed one, whose spans tell their tokens again in the agent's. */

import { createOpenAI } from "@ai-sdk/openai";
import { OpenTelemetry } from "@ai-sdk/otel";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { generateText, registerTelemetry, streamText } from "ai";

const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });
provider.register();
registerTelemetry(new OpenTelemetry());
const models = createOpenAI({ baseURL: process.env.MODELS_URL, apiKey: process.env.MODELS_KEY });
const asked = { model: models.chat(process.env.MODEL), prompt: "the text of the prompt", maxRetries: 0 };
await generateText(asked);
for await (const _ of streamText(asked).textStream);
await generateText({ ...asked, model: models.chat("no-such-model") }).catch(() => {});
await provider.shutdown();
