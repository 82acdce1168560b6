"""What providers count around the text: chats, tools, images. The tokenizer is a port."""
