"""A GraphQL query as GitHub reads it: against its schema, with what it costs.

Costs and limits as in
https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    parse,
    validate,
)
from graphql.utilities import value_from_ast_untyped

MOST_NODES: Final = 500_000

SCHEMA = build_schema(
    """
    scalar DateTime
    scalar URI
    enum GistPrivacy { ALL PUBLIC SECRET }
    enum GistOrderField { CREATED_AT PUSHED_AT UPDATED_AT }
    enum OrderDirection { ASC DESC }
    input GistOrder { field: GistOrderField!, direction: OrderDirection! }
    interface Node { id: ID! }
    interface RepositoryOwner { id: ID!, login: String!, url: URI! }
    type Query {
      node(id: ID!): Node
      nodes(ids: [ID!]!): [Node]!
      rateLimit(dryRun: Boolean = false): RateLimit
      user(login: String!): User
      viewer: User!
    }
    type RateLimit {
      cost: Int!, limit: Int!, nodeCount: Int!, remaining: Int!, resetAt: DateTime!, used: Int!
    }
    type User implements Node & RepositoryOwner {
      id: ID!, login: String!, databaseId: Int, name: String, url: URI!
      createdAt: DateTime!, updatedAt: DateTime!
      gist(name: String!): Gist
      gists(after: String, first: Int, orderBy: GistOrder, privacy: GistPrivacy): GistConnection!
    }
    type Organization implements Node & RepositoryOwner {
      id: ID!, login: String!, databaseId: Int, name: String, url: URI!
    }
    type GistConnection {
      totalCount: Int!, nodes: [Gist], edges: [GistEdge], pageInfo: PageInfo!
    }
    type GistEdge { cursor: String!, node: Gist }
    type PageInfo {
      endCursor: String, hasNextPage: Boolean!, hasPreviousPage: Boolean!, startCursor: String
    }
    type Gist implements Node {
      id: ID!, name: String!, description: String, url: URI!, resourcePath: URI!
      createdAt: DateTime!, updatedAt: DateTime!, pushedAt: DateTime
      isPublic: Boolean!, isFork: Boolean!, stargazerCount: Int!, owner: RepositoryOwner
      files(limit: Int = 10): [GistFile]
    }
    type GistFile {
      name: String, encodedName: String, extension: String, encoding: String, size: Int
      isImage: Boolean!, isTruncated: Boolean!, language: Language, text(truncate: Int): String
    }
    type Language { id: ID!, name: String!, color: String }
    """
)


class Malformed(Exception):
    """The body is no GraphQL request at all."""


class Refused(Exception):
    """The query is not executed; `errors` say why."""

    def __init__(self, *errors: GraphQLError) -> None:
        self.errors = errors
        super().__init__(*(error.message for error in errors))


def refusal(kind: str, message: str) -> GraphQLError:
    """An error of GitHub's own, which has a type."""
    return GraphQLError(message, extensions={"type": kind})


@lru_cache(maxsize=256)
def _valid(text: str) -> DocumentNode:
    """A query by its text; Refused where it is wrong. To read one takes longer than to answer it:
    clients send the same ones again and again.
    """
    try:
        document = parse(text)
    except GraphQLError as error:
        raise Refused(error) from None
    if errors := validate(SCHEMA, document):
        raise Refused(*errors)
    return document


@dataclass
class Query:
    """A valid query, and how much it asks for."""

    document: DocumentNode
    variables: dict[str, object]
    requests: int = 0
    """The number of requests that GitHub would need to fulfil each connection, at full `first`."""
    nodes: int = 0
    subjects: int = 0
    """The number of users, or of nodes by their id."""

    @classmethod
    def read(cls, body: bytes) -> "Query":
        """From the body of a request; Malformed or Refused where it is wrong."""
        try:
            content = json.loads(body)
            text, variables = content["query"], content.get("variables") or {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Malformed from error
        query = cls(_valid(text), variables)
        query._measure()
        if query.nodes > MOST_NODES:
            message = f"This query requests up to {query.nodes:,} possible nodes, over 500,000."
            raise Refused(refusal("MAX_NODE_LIMIT_EXCEEDED", message))
        return query

    @property
    def cost(self) -> int:
        """Points: one for a hundred requests, at least one."""
        return max(1, round(self.requests / 100))

    def _measure(self) -> None:
        fragments = {
            node.name.value: node
            for node in self.document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }

        def walk(selections: SelectionSetNode | None, parents: int) -> None:
            for node in selections.selections if selections else ():
                match node:
                    case FragmentSpreadNode():
                        walk(fragments[node.name.value].selection_set, parents)
                    case InlineFragmentNode():
                        walk(node.selection_set, parents)
                    case FieldNode():
                        walk(node.selection_set, self._count(node, parents))

        for definition in self.document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                walk(definition.selection_set, 1)

    def _count(self, node: FieldNode, parents: int) -> int:
        """Add one field below so many parents; returns how many objects it may hold."""
        arguments: Mapping[str, object] = {
            argument.name.value: value_from_ast_untyped(argument.value, self.variables)
            for argument in node.arguments or ()
        }
        match node.name.value:
            case "user" | "node" | "viewer":
                # In an edge, `node` is a field without arguments and no new subject.
                self.subjects += 1 if arguments or node.name.value == "viewer" else 0
            case "nodes" if "ids" in arguments:
                ids = arguments["ids"]
                parents = len(ids) if isinstance(ids, list) else 1
                self.subjects += parents
            case "gists":
                first = arguments.get("first")
                held = parents * (first if isinstance(first, int) else 0)
                self.requests += parents
                self.nodes += held
                return held
        return parents
