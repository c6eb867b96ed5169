"""Answers that tell of the inside, as the programs write them which they come from: for the rules that cloak them."""

from __future__ import annotations

import random
from collections.abc import Callable

from bascule.waf.logic.learn.grammar import Grammar, expand
from bascule.waf.response.leaks import DATABASE_ERROR, LISTING, PRIVATE_KEY, SOURCE, STACK_TRACE

_COMMON: Grammar = {
    "name": ("cart", "order", "user", "invoice", "report", "session", "catalog", "search", "checkout"),
    "class": ("Cart", "OrderService", "UserDao", "InvoiceView", "ReportJob"),
    "n": ("3", "17", "42", "108", "256", "1024"),
}
_STACKS: Grammar = {
    **_COMMON,
    "start": (
        "<pre>Traceback (most recent call last):\n  File \"/srv/<name>/views.py\", line <n>, in get\nKeyError: '<name>'</pre>",
        "java.lang.NullPointerException: null\n\tat com.shop.<name>.<class>.load(<class>.java:<n>)\n\tat java.base/x.Y.z(Y.java:9)",
        "Exception in thread\n    at org.shop.<class>.<init>(<class>.kt:<n>)\n",
        "<b>Fatal error</b>:  Uncaught Error: Call to undefined method in <b>/var/www/html/<name>.php</b> on line <b><n></b>",
        "PHP Warning: Undefined variable $<name> in C:\\inetpub\\<name>.php on line <n>",
        "System.NullReferenceException: Object reference not set\r\n   at Shop.<class>.Load(Int32 id) in C:\\src\\<class>.cs:line <n>",
        "<title>Server Error in '/<name>' Application.</title>",
        "TypeError: Cannot read properties of undefined\n    at <class>.load (/srv/app/<name>.js:<n>:13)\n    at node:internal/x:1:2",
        "TypeError: x is not a function\n    at Object.<anonymous> (file:///srv/app/<name>.mjs:<n>:5)",
        "panic: runtime error: index out of range\n\ngoroutine <n> [running]:\nmain.main()\n\t/srv/<name>.go:<n>",
        "app/models/<name>.rb:<n>:in `find': undefined method (NoMethodError)",
        "app/models/<name>.rb:<n>:in 'find': undefined method (NoMethodError)",
        "thread 'main' panicked at src/<name>.rs:<n>:5:\nindex out of bounds",
        'Can\'t locate object method "<name>" via package at /srv/lib/<class>.pm line <n>.',
        "** (FunctionClauseError) no function clause matching in Shop.<class>.load/1\n    (shop 0.1.0) lib/shop/<name>.ex:<n>",
    ),
}
_DATABASES: Grammar = {
    **_COMMON,
    "start": (
        "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version near '<name>' at line 1",
        "Warning: mysqli_fetch_array() expects parameter 1 to be mysqli_result\nsupplied argument is not a valid MySQL result resource",
        "Unknown column '<name>_id' in 'where clause'",
        "Unknown column '<name>' in 'field list'",
        'psycopg2.errors.SyntaxError: syntax error at or near "<name>"\nLINE 1: SELECT',
        'PG::UndefinedTable: ERROR: relation "<name>s" does not exist',
        'ERROR: column "<name>" of relation "<name>s" does not exist',
        'sqlite3.OperationalError: near "<name>": syntax error',
        "SQLITE_ERROR: no such table: <name>s",
        "Unclosed quotation mark after the character string '<name>'.",
        "System.Data.SqlClient.SqlException (0x80131904): Incorrect syntax near '<name>'.",
        "com.microsoft.sqlserver.jdbc.SQLServerException: Incorrect syntax near '<name>'.",
        "[Microsoft][ODBC SQL Server Driver][SQL Server]Invalid column name '<name>'.",
        "ORA-00933: SQL command not properly ended",
        "SQLSTATE[42S22]: Column not found: 1054",
        "MongoServerError: unknown operator: $<name>",
        "org.hibernate.exception.SQLGrammarException: could not extract ResultSet",
        "java.sql.SQLSyntaxErrorException: Table '<name>' doesn't exist",
        "com.mysql.cj.jdbc.exceptions.CommunicationsException: Communications link failure",
        "DB2 SQL Error: SQLCODE=-104, SQLSTATE=42601, SQLERRMC=<name>",
    ),
}
_LISTINGS: Grammar = {
    **_COMMON,
    "start": (
        '<html><head><title>Index of /<name></title></head><body><h1>Index of /<name></h1><a href="../">../</a>',
        "<!DOCTYPE HTML>\n<html><head>\n<title>Directory listing for /<name>/</title>",
        "<html><head><title>Directory Listing For [/<name>/]</title>",
        '<html><head><title>shop - /<name>/</title></head><pre><A HREF="/">[To Parent Directory]</A><br>',
        '<pre><A HREF="/<name>/">[To Parent Directory]</a><br> <n> <A HREF="a.zip">a.zip</A>',
        "<html><head><title>Directory: /<name>/</title></head>",
        "<!DOCTYPE html><html><head><title>listing directory /<name></title>",
        '<html><head><title>/<name>/</title></head><body><a href="./a.zip">a.zip</a>',
    ),
}
_SOURCES: Grammar = {
    **_COMMON,
    "start": (
        "<?php\n$db = new mysqli('localhost', 'root', '<name>');\n",
        "\n<?php \nrequire_once 'inc/<name>.php'; ?>\n<html>",
        '<%@ page language="java" contentType="text/html" %>\n<html>',
        '<%@page import="java.util.List"%>\n',
        '<%@ Page Language="C#" AutoEventWireup="true" CodeFile="<class>.aspx.cs" %>\n',
        '<%@ Language=VBScript %>\n<% Set c = Server.CreateObject("ADODB.Connection") %>',
        "<html>\n<?= $<name>->title ?>\n</html>",
    ),
}
_KEYS: Grammar = {
    "start": (
        "-----BEGIN <kind>PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END <kind>PRIVATE KEY-----\n",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n",
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n",
    ),
    "kind": ("RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ", ""),
}
GRAMMARS = {STACK_TRACE: _STACKS, DATABASE_ERROR: _DATABASES, LISTING: _LISTINGS, SOURCE: _SOURCES, PRIVATE_KEY: _KEYS}
"""By rule."""


def maker(rule: int) -> Callable[[random.Random], bytes]:
    """Return what makes answers that a rule is to find."""
    grammar = GRAMMARS[rule]
    return lambda source: expand(grammar, source).encode()
