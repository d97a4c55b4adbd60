"""pydantic-ai: an agent that is asked twice, whose spans tell the tokens of its calls again."""

import os

from exporting import start
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

start()
Agent.instrument_all()
provider = OpenAIProvider(base_url=os.environ["MODELS_URL"], api_key=os.environ["MODELS_KEY"])
agent = Agent(OpenAIChatModel(os.environ["MODEL"], provider=provider))
agent.run_sync("the text of the prompt")
agent.run_sync("the text of the prompt")
