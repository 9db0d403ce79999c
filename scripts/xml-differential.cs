// Uses the readers of .NET to read documents that the scanner has accepted. Reports
// the documents in which these readers find another identity or operation.
using System;
using System.Collections.Generic;
using System.IO;
using System.Xml;

static class Differential
{
	const string Soap = "http://schemas.xmlsoap.org/soap/envelope/|";
	const string Types = "http://schemas.microsoft.com/exchange/services/2006/types|";

	static int Main(string[] args)
	{
		var readers = new Dictionary<string, Func<byte[], XmlReader>> {
			{ "XmlReader", doc => XmlReader.Create(new MemoryStream(doc), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit }) },
			{ "XmlDictionaryReader", doc => XmlDictionaryReader.CreateTextReader(doc, new XmlDictionaryReaderQuotas { MaxDepth = 256 }) },
		};
		int documents = 0, different = 0;
		foreach (var line in File.ReadLines(args[0])) {
			var fields = line.Split('\t');
			var want = string.Join("\t", fields, 0, 3);
			var doc = Convert.FromBase64String(fields[3]);
			documents++;
			foreach (var reader in readers) {
				string got;
				try {
					got = Found(reader.Value(doc));
				} catch (Exception e) {
					got = "error: " + e.Message;
				}
				if (got == want)
					continue;
				different++;
				Console.Error.WriteLine("{0}: {1}, want {2}\n{3}", reader.Key, got, want, System.Text.Encoding.UTF8.GetString(doc));
			}
		}
		Console.WriteLine("{0}: {1} documents, {2} differences", string.Join(" and ", readers.Keys), documents, different);
		return documents > 0 && different == 0 ? 0 : 1;
	}

	// Found returns the identities and operations of a document: the children of every
	// ConnectingSID, and the children of every Body.
	static string Found(XmlReader r)
	{
		var path = new List<string>();
		var leaves = new List<string>();
		var operations = new List<string>();
		string text = "";
		while (r.Read()) {
			switch (r.NodeType) {
			case XmlNodeType.Element:
				path.Add(r.NamespaceURI + "|" + r.LocalName);
				text = "";
				if (path.Count == 3 && path[1] == Soap + "Body")
					operations.Add(r.LocalName);
				if (r.IsEmptyElement)
					Leave(path, leaves, text);
				break;
			case XmlNodeType.Text:
			case XmlNodeType.CDATA:
			case XmlNodeType.Whitespace:
			case XmlNodeType.SignificantWhitespace:
				text += r.Value;
				break;
			case XmlNodeType.EndElement:
				Leave(path, leaves, text);
				break;
			}
		}
		return leaves.Count == 1 && operations.Count == 1 ? leaves[0] + "\t" + operations[0] : "another structure";
	}

	static void Leave(List<string> path, List<string> leaves, string text)
	{
		if (path.Count == 5 && path[1] == Soap + "Header" && path[2] == Types + "ExchangeImpersonation" && path[3] == Types + "ConnectingSID")
			leaves.Add(path[4].Replace(Types, "") + "\t" + text.Trim(' ', '\t', '\r', '\n'));
		path.RemoveAt(path.Count - 1);
	}
}
